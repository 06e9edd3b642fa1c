// What the cluster tests run in pods: a server that says its host's name, and a client for it.
//
//	workload                serve on :8080
//	workload get URL        print the body, fail unless the answer is 200
//	workload lookup NAME    print the addresses that the pod's resolver gives
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const patience = 5 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) == 0 {
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			name, _ := os.Hostname()
			fmt.Fprintln(w, name)
		})
		return http.ListenAndServe(":8080", nil)
	}
	if len(words) != 2 {
		return fmt.Errorf("usage: workload [get URL | lookup NAME]")
	}
	switch words[0] {
	case "get":
		client := http.Client{Timeout: patience}
		answer, err := client.Get(words[1])
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", answer.Status)
		}
		_, err = io.Copy(os.Stdout, answer.Body)
		return err
	case "lookup":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		found, err := net.DefaultResolver.LookupHost(ctx, words[1])
		for _, address := range found {
			fmt.Println(address)
		}
		return err
	}
	return fmt.Errorf("no such verb: %s", words[0])
}
