// Go's net package: a goroutine for each connection, which reads and writes; or one for all datagrams.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
)

func serve(connection *net.TCPConn) {
	defer connection.Close()
	// Not io.Copy: between sockets it splices, which takes two pipes for each connection.
	buffer := make([]byte, 65536)
	for {
		count, err := connection.Read(buffer)
		if count > 0 {
			if _, err := connection.Write(buffer[:count]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func serveDatagrams(port string) {
	address, err := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	connection, err := net.ListenUDP("udp4", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(71)
	}
	buffer := make([]byte, 65536)
	for {
		count, peer, err := connection.ReadFromUDPAddrPort(buffer)
		if err == nil {
			_, _ = connection.WriteToUDPAddrPort(buffer[:count], peer)
		}
	}
}

func main() {
	isDatagram := len(os.Args) == 3 && os.Args[2] == "udp"
	if len(os.Args) != 2 && !isDatagram {
		fmt.Fprintf(os.Stderr, "usage: %s PORT [udp]\n", os.Args[0])
		os.Exit(64)
	}
	// As one worker, unless the environment says otherwise.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	if isDatagram {
		serveDatagrams(os.Args[1])
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(71)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		// Accepted sockets have TCP_NODELAY, and SIGPIPE is an error of Write.
		go serve(connection.(*net.TCPConn))
	}
}
