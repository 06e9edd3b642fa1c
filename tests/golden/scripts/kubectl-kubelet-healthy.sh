/usr/local/bin/kubectl --server http://127.0.0.1:10248 --request-timeout=3s get --raw /healthz 2>&1
