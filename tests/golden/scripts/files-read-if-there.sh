[ ! -e /home/ann/.kube/config ] || cat /home/ann/.kube/config
