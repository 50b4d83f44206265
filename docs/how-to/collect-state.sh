#!/bin/sh
# On each node, as root: sh collect-state.sh STATE/NODE. Saves what its tables say.
mkdir -p "$1" && cd "$1" || exit 1
{ date -u +%FT%TZ; uname -nrm; } > about
ip -d -s -s -j link > link.json
ip -j addr > addr.json
for v in 4 6; do ip -$v -N -d -j route show table all > route$v.json; ip -$v -N -j rule > rule$v.json; done
ip -j neigh show nud all > neigh.json
bridge -j fdb > fdb.json
sysctl -a -r 'forward|rp_filter|echo_ignore_all|all.(disable_ipv6|accept_local|src_valid_mark)|bridge-nf|gc_thresh|conntrack_(count|max)' > sysctl 2> /dev/null
{ cp /run/flannel/subnet.env .; iptables-save > iptables-save; nft -j list ruleset > nft.json; } 2> /dev/null || true
