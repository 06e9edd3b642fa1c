"""Where everything lives on a host: paths, units, ports and marks. Names only, nothing else."""
