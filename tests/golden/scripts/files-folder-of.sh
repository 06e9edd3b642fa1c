[ -d /home/ann/.kube ] || { mkdir -m 0750 /home/ann/.kube && chown -- ann: /home/ann/.kube; }
