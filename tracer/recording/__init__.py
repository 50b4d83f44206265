"""The operator's side of a recording: its ends, its agents, what they say, what to test."""
