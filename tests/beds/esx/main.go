// A vCenter or a single ESX host that is none: govmomi's simulator, made readable for libvirt and driven through stdin.
//
// It prints the address to give to libvirt, then obeys one line at a time (on, off, suspend or destroy, and the name of
// a VM; or create and two names, of a VM to copy and of the copy) as somebody else's client would, and answers each
// with "done" or with what went wrong.  It ends when its stdin does.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	esx := flag.Bool("esx", false, "a single host, no vCenter")
	machines := flag.Int("machines", 2, "how many VMs the host has")
	listen := flag.String("listen", "127.0.0.1:0", "where libvirt connects to")
	flag.Parse()

	model := simulator.VPX()
	if *esx {
		model = simulator.ESX()
	}
	model.Machine = *machines
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("root", "secret")}
	server := model.Service.NewServer()
	fmt.Println(serveLibvirt(*listen, server.URL))

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := obey(server.URL, strings.Fields(lines.Text())); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("done")
	}
}

// serveLibvirt passes everything on to the simulator, and returns the address it listens on.
func serveLibvirt(address string, simulated *url.URL) string {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: simulated.Scheme, Host: simulated.Host})
	proxy.Transport = &http.Transport{DisableCompression: true}
	proxy.ModifyResponse = func(response *http.Response) error {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		body = arrays.ReplaceAllFunc(body, withTypes)
		response.Body = io.NopCloser(bytes.NewReader(body))
		response.ContentLength = int64(len(body))
		response.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
	go func() { log.Fatal(http.Serve(listener, proxy)) }()
	return listener.Addr().String()
}

// libvirt wants each member of an array to say its type, as vSphere's do; the simulator's leave that to the array.
var arrays = regexp.MustCompile(`(?s):type="ArrayOf(\w+)">.*?</val>`)

var plain = map[string]bool{"boolean": true, "byte": true, "double": true, "float": true, "int": true, "long": true, "short": true, "string": true}

func withTypes(array []byte) []byte {
	element := string(arrays.FindSubmatch(array)[1])
	kind := element
	if lower := strings.ToLower(element); plain[lower] {
		element, kind = lower, "xsd:"+lower
	}
	member := "<" + element
	typed := member + ` xsi:type="` + kind + `"`
	return []byte(strings.NewReplacer(member+" ", typed+" ", member+">", typed+">", member+"/", typed+"/").Replace(string(array)))
}

func obey(simulated *url.URL, words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("expected what to do, and a VM: %q", words)
	}
	ctx := context.Background()
	client, err := govmomi.NewClient(ctx, simulated, true)
	if err != nil {
		return err
	}
	defer client.Logout(ctx)
	finder := find.NewFinder(client.Client)
	datacenter, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	machine, err := finder.SetDatacenter(datacenter).VirtualMachine(ctx, words[1])
	if err != nil {
		return err
	}
	task, err := begin(ctx, finder, machine, words)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func begin(ctx context.Context, finder *find.Finder, machine *object.VirtualMachine, words []string) (*object.Task, error) {
	switch words[0] {
	case "on":
		return machine.PowerOn(ctx)
	case "off":
		return machine.PowerOff(ctx)
	case "suspend":
		return machine.Suspend(ctx)
	case "destroy":
		return machine.Destroy(ctx)
	case "create":
		folder, err := finder.DefaultFolder(ctx)
		if err != nil {
			return nil, err
		}
		return machine.Clone(ctx, folder, words[2], types.VirtualMachineCloneSpec{})
	}
	return nil, fmt.Errorf("cannot %s", words[0])
}
