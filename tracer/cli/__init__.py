"""The command line: words -> calls -> exit code. No decisions about networks."""
