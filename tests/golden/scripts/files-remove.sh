rm -f /home/ann/.kube/config
