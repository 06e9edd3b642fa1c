[ -d /home/ann/.kube ] || { mkdir -m 0750 /home/ann/.kube && chown -h -- ann: /home/ann/.kube; }
