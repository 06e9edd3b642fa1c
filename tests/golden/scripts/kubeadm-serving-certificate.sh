made=/etc/kubernetes/pki/apiserver.new; rm -rf "$made"; mkdir "$made"
ln -s /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/ca.key "$made"
sed "s|^kind: ClusterConfiguration$|&\ncertificatesDir: $made|" "$config" >"$made/config"
kubeadm init phase certs apiserver --config "$made/config" >/dev/null
sync -- "$made/apiserver.key" "$made/apiserver.crt"
mv -f "$made/apiserver.key" "$made/apiserver.crt" /etc/kubernetes/pki
rm -rf "$made"
