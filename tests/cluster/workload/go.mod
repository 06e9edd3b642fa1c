module kanae.local/workload

go 1.24
