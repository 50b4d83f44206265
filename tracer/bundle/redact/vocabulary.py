"""Words that text may keep: those of flantrace, the kernel, the tools and the formats.

Free text is kept by what is known to be harmless, not cut by what is known to be secret: a word
that is not here, and no number, address or learned name, does not get out. A word that is missing
costs a reader that word; a word too many could be somebody's name.
"""

PROSE = """
a about access accessing account addr address addresses advertise after again agent agents all
allocate allowed already also an and another answer answered answering any api are argument as
assign at attached attempted attempting authentication authenticity available avoided away
bad bcc be because been before behind being beyond big block both bpf broken btf buffer busy but by
bytes call called calls came can cannot cap_bpf cap_net_admin cap_perfmon cap_sys_admin caused
change changed channel character check child cleaning closed closing cluster cmd code collect
command commands communication compile config connect connected connection container context
corrupted could counts cut data datagram datagrams deadlock defined denied descriptor desired
destination device devices did died different directly directory disk distribution do docs does
domain down driver dropped due during
each echo egress else empty enable end ended endpoint enough entered entry environment error errors
exceeded exchange exec executable execute exist exists exit expected expired
failed failure family file files filter filters find first flannel flantrace font for forbidden
format forward found fragment fragmentation from full function
gave get give gone good
halted hand handle has have held hence held holds hook host hostname hostnetwork hosts how
icmp identifier identity if illegal implemented in inappropriate incomplete incorrect ingress
inner input inserted inside install installed instance interface interrupted into invalid ioctl is
it its itself
keep kernel key keys kill killed known knows
lab large last later lays least leave leaves left less let level levels lib libraries library
leases let like limit line lines link links list load local locks log long longer lookup loop lost
machine made make many may mb medium memory message missing module modules moment more most
mtu multihop must
name named names namespace namespaces need needed needs neither neighbour neighbours netlink
network never new next no nobody node node-exec nodes non-socket none nor not nothing now null
number numerical
object observation observations of off old on once one ones only open opened operation operator
option or other others our
out outer output outside over own owner
package packages packet packets parameter part partial parts pass passed password past path
peer perhaps permission permitted pid ping pipe please pod pods point policy port ports
possible prefix probe probes problem process processes program programs progress prohibited
protocol put python python3 python3-bpfcc
quota quotes
range raw read read-only reader ready readme.md reason reassembly record records recording
recoverable recursion refers referenced references refused refuses rejected remote removed replied
reply request requested requests require required requires reset resolution resolve resource
resources response restarted result retry returned revoked right room root route routes rtnetlink
rule rules ruleset run running
s said same sandbox say says scope second seconds section see seek seen semaphores send sent server
service session several severed shared shorter should show shows shutdown sides sign signal since
size sk_buff slot small so socket software some something soon source space speak speaks specific
splice ssh stale stands start started state states status still stop stopped stream streams
structure subdomains such sudo superuser supported symbolic synchronized syntax syscall sysctl
system t table tables takes tc tcp tcx template temporarily temporary terminal terminated test text
than that the their them then there these they this those time timed timeout timer times to
together token too took tracepoint tracer trace transport tried try type types
udp unable unavailable underlay understood unexpected unique unit unknown unreachable unspecified
until up us usage use used user users using usual
valid value values variable venv verification verifier verify version very via vxlan
wait waiting waits want wanted was watch watched way we well went were what when where which while
who whose why wide will with within without word words works would write wrong wrote
x xdp xfrm
yes yet you your
administers answering7 api-resources ask begun create deadline delete describe ends ephemeral
flantrace-namespace goes had image instead kubelet lacks overwrite passive privileges.md proxies
proxy ran reach ref somebody websocket websocket7 websockets whoever
rst syn-ack rfc rfcs udev in-cluster cross-device multibyte srmount rf-kill a.out i j l n o
syscall.py trace.c peers.h
"""
"""What messages are made of: ours, the C library's, those of ssh, sudo and kubectl."""

TOOLS = """
bash bpftool bridge cat docker exec firewall-cmd ip ip6tables ip6tables-legacy-save
ip6tables-nft-save ip6tables-save iptables iptables-legacy-save iptables-nft-save iptables-save
jsonpath kubectl kubeconfig nft nsenter sh tcpdump netns lo linux
kube-system kube-flannel kube-public kube-node-lease default kubernetes kube configmap secret
daemonset deployment kube-flannel-cfg kube-flannel-ds kube-controller-manager
services endpoints endpointslices kubernetes.io service-name
"""

PATHS = """
bin bpffs cgroup cni conf.d dev docs etc fs home how-to lib mnt net-conf.json net.d ns opt
permissions.md proc rancher run sbin self srv subnet.env sys tmp tracing usr var k3s rke2 vmlinux
btf debug cbr0 networks last_reserved_ip json conf conflist net-conf cni-conf.json
limits.md reference kubernetes manifests kube-controller-manager.yaml
10-flannel.conflist 10-flannel.conf 10-canal.conflist 10-calico.conflist
00-multus.conf 05-cilium.conf 05-cilium.conflist 10-aws.conflist 10-azure.conflist 10-weave.conflist
10-kuberouter.conflist 10-kindnet.conflist 10-containerd-net.conflist 87-podman-bridge.conflist
100-crio-bridge.conf 100-crio-bridge.conflist 11-crio-ipv4-bridge.conflist 200-loopback.conf
99-loopback.conf
"""

SYSCTLS = """
net.ipv4.ip_forward net.ipv4.icmp_echo_ignore_all net.ipv6.conf.all.disable_ipv6
net.ipv4.conf.all.accept_local net.ipv4.conf.all.src_valid_mark
net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables
net.bridge.bridge-nf-call-arptables
net.ipv4.neigh.default.gc_thresh1 net.ipv4.neigh.default.gc_thresh2
net.ipv4.neigh.default.gc_thresh3 net.ipv6.neigh.default.gc_thresh3
net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max net.ipv4.conf net.ipv6.conf
kernel.kptr_restrict kernel.unprivileged_bpf_disabled
"""

FLANNEL = """
flannel.alpha.coreos.com flannel.1 flannel-v6.1 backend-data backend-v6-data backend-type
kube-subnet-manager public-ip public-ipv6 public-ip-overwrite public-ipv6-overwrite node-public-ip
node-public-ipv6 vni vtepmac true false null vxlan host-gw wireguard udp alloc extension ipip ipsec
tencent-vpc ali-vpc aws-vpc gce backenddata publickey
network ipv6network subnetlen subnetmin subnetmax ipv6subnetlen ipv6subnetmin ipv6subnetmax backend
enableipv4 enableipv6 enablenftables type port gbp learning directrouting mtu macprefix
cluster-cidr allocate-node-cidrs
flannel_network flannel_ipv6_network flannel_subnet flannel_ipv6_subnet flannel_mtu flannel_ipmasq
"""

CNI = """
cni cniversion name type plugins capabilities portmappings portmap portmapd bandwidth delegate
hairpinmode isdefaultgateway isgateway forceaddress ipmasq ipmasqbackend mtu bridge host-local ipam
ranges subnet rangestart rangeend gateway routes dst gw dns nameservers search options domain
datadir resolvconf loopback tuning sysctl sbr firewall iptables nftables promiscmode vlan macvlan
ipvlan ptp static dhcp interface ipv4 ipv6 snat conditionsv4 conditionsv6 masqall disablecheck
runtimeconfig prevresult interfaces sandbox ips address version mac cidr
kubeconfig logging loglevel log_level info warning debug error subnetfile
calico calico-ipam cilium-cni multus weave-net aws-cni azure-vnet antrea kindnet podman whereabouts
kube-router containerd-net crio
"""
"""Keys and values of CNI configuration and of flannel's files, in lower case."""

FIREWALL = """
prerouting input forward output postrouting ingress egress
filter nat mangle raw security inet ip ip6 arp bridge netdev firewalld kube-proxy
accept drop reject return continue queue jump goto commit masquerade redirect dnat snat netmap log
nflog mark connmark ct notrack tcpmss tproxy classify ttl hl checksum trace set secmark audit
connsecmark dscp tos idletimer rateest synproxy hmark led tee
flannel-fwd flannel-postrtg kube-services kube-external-services kube-nodeports kube-postrouting
kube-forward kube-mark-masq kube-mark-drop kube-proxy-firewall kube-proxy-canary kube-firewall
kube-kubelet-canary kube-load-balancer kube-node-port kube-router-input kube-router-forward
docker docker-user docker-isolation-stage-1 docker-isolation-stage-2 docker-ingress docker-forward
docker-bridge docker-ct docker-internal cni-forward cni-admin cni-hostport-dnat
cni-hostport-setmark cni-hostport-masq cilium_forward cilium_input cilium_output ufw-user-input
ufw-user-forward ufw-before-input ufw-before-forward ufw-after-input ufw-after-forward
kube-cluster-ip kube-loop-back kube-external-ip cluster-ips nodeport-ips services service-ips
cali-forward cali-input cali-output cali-prerouting cali-postrouting cali-from-wl-dispatch
cali-to-wl-dispatch cali-nat-outgoing calico cilium kube-router docker libvirt
flannel-ipv4 flannel-ipv6 postrtg nat-prerouting nat-output nat-postrouting filter-prerouting
filter-input filter-forward filter-output filter-prerouting-pre-dnat filter-output-post-dnat
filter-output-pre-dnat service-endpoints-check cluster-ips-check nodeport-endpoints-check
reject-chain no-endpoint-nodeports no-endpoint-services nodeports masquerading
mark-for-masquerade firewall-ips firewall-check
tcp udp icmp icmpv6 ipv6-icmp icmp6 igmp esp ah sctp dccp gre all ipip ipencap
new established related untracked invalid original reply expected
local unicast broadcast multicast anycast blackhole unreachable prohibit throw nat xresolve
icmp-port-unreachable icmp-host-unreachable icmp-net-unreachable icmp-proto-unreachable
icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited icmp6-port-unreachable
icmp6-adm-prohibited icmp6-no-route icmp6-addr-unreachable tcp-reset echo-request echo-reply
destination-unreachable source-quench time-exceeded parameter-problem packet-too-big
router-advertisement router-solicitation nd-neighbor-solicit nd-neighbor-advert nd-router-solicit
nd-router-advert nd-redirect mld-listener-query mld-listener-report mld-listener-done
port-unreachable
host-unreachable net-unreachable admin-prohibited no-route addr-unreachable icmpx
fin syn rst psh ack urg ece cwr none
sec second min minute hour day week s m h d srcip dstip srcport dstport random random-fully
persistent fully-random seed src srcmask dstmask symmetric
saddr daddr sport dport th nexthdr hoplimit ttl protocol length version id frag-off ihl flags
l4proto nfproto iifname oifname iif oif iiftype oiftype iifgroup oifgroup skuid skgid rtclassid
pkttype cpu cgroup ibrname obrname status state direction expiration helper bytes packets avgpkt
zone label count ether vlan ll nh numgen fib lookup check-ratelimit inc hash osf socket rt exthdr
ipv4_addr ipv6_addr ether_addr inet_proto inet_service mark ifname iface_index integer verdict
constant interval timeout dynamic concat range performance memory size gc-interval elements elem
match target comment addrtype conntrack multiport statistic physdev iprange limit hashlimit recent
owner rpfilter string u32 tcpmss dscp ecn pkttype length mac connbytes connlimit nfacct helper
left_out_of_other_services
notrack warn err crit alert emerg notice algo bm kmp
"""
"""Chains and sets of the tools themselves, keywords and constants, in lower case."""

COMMENTS = {
    "flanneld forward",
    "flanneld masq",
    "kubernetes forwarding rules",
    "kubernetes forwarding conntrack rule",
    "kubernetes forwarding conntrack pod source rule",
    "kubernetes forwarding conntrack pod destination rule",
    "kubernetes health check service ports",
    "kubernetes service portals",
    "kubernetes externally-visible service portals",
    "kubernetes postrouting rules",
    "kubernetes load balancer firewall",
    "kubernetes service nodeports; NOTE: this must be the last rule in this chain",
    "kubernetes service traffic requiring SNAT",
    "block incoming localnet connections",
}
"""Comments on firewall rules that are the same on every cluster. Others name Services, or worse."""

WORDS = frozenset(
    word
    for words in (PROSE, TOOLS, PATHS, SYSCTLS, FLANNEL, CNI, FIREWALL)
    for word in words.lower().split()
)
