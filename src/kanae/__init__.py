"""kanae builds highly available Kubernetes clusters with kubeadm and proves that they are."""

__version__ = "0.1.0"
