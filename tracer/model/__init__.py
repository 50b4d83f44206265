"""The nouns of flantrace. Records only: no I/O, no library but msgspec, no logic.

request      what was asked: two ends and a probe plan
cluster      what the Kubernetes API promises (intent)
state        what each node's kernel and files say
observation  what packets did: one packet at one point
message      how operator and agent say all this to each other
bundle       all of the above, recorded
path         how one packet went, hop by hop
diagnosis    what follows from it
"""
