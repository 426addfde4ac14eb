// A Go program with many goroutines and heavy preemption (SIGURG): it computes, makes files, and counts
// calls that never block. Prints what it counted.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

const each = 2000

func main() {
	runtime.GOMAXPROCS(4)
	stop := make(chan struct{})
	for i := 0; i < 4; i++ {
		go func() { // spins: only preemption gets it off its thread
			x := 1
			for {
				select {
				case <-stop:
					return
				default:
					for k := 0; k < 1000000; k++ {
						x = x*1664525 + 1013904223
					}
				}
			}
		}()
	}
	var wg sync.WaitGroup
	bad := 0
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := 0; k < each; k++ {
				if _, _, e := syscall.RawSyscall(syscall.SYS_PERSONALITY, 0xffffffff, 0, 0); e != 0 {
					bad++
				}
			}
		}()
	}
	for k := 0; k < 200; k++ {
		name := fmt.Sprintf("/tmp/f%d", k)
		if os.WriteFile(name, []byte("x"), 0o600) != nil || os.Remove(name) != nil {
			bad++
		}
	}
	wg.Wait()
	close(stop)
	fmt.Printf("made %d bad %d\n", 4*each, bad)
}
