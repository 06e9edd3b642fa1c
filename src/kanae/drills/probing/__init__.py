"""The prober: it sends a workload and records how each request fares, as a process of its own.

Shipped as a whole to other hosts: of the standard library, HTTP/2 and the records only.
"""
