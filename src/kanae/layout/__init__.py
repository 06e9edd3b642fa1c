"""Where everything lives on a host: paths, units, ports, marks, what differs by distribution.

Names only, nothing else.
"""
