"""What a node's firewall does with one packet, told from its dumps alone.

stopped    the question that most have: `stopped(state, "forward", probe)`
probe      the packet that is asked about
ruleset    the tables of every backend: `ruleset(state).verdict("forward", probe)`
decision   the answer, and the line that decided; UNKNOWN where a dump cannot tell
flannel    flannel's own rules, and what wins over them
run        the walk through base chains, jumps and verdicts
model      one model of tables, chains and rules, for iptables and nft
"""
