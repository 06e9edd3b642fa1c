members=$(etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --command-timeout=3s --endpoints https://127.0.0.1:2379 member list) || exit
id=$(printf '%s\n' "$members" | grep -F https://192.168.1.11:2380 | cut -d, -f1)
[ -z "$id" ] || etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key --command-timeout=3s --endpoints https://127.0.0.1:2379 member remove "$id"
