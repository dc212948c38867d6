// etcd, as its own main package does it; that one is in a module whose requirements cannot be replaced from outside.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
