// The engines of Argo CD (gitops-engine: compare, sync and prune) and of Flux (pkg/ssa: what its kustomize-controller applies and prunes, and the
// drift detection of its helm-controller), each as a command that reads objects from its standard input and writes a JSON list. The controllers
// around the engines are not part of it: what they read from Git, an Application, a Kustomization or a HelmRelease is given as flags.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What each command is given.
type arguments struct {
	config *rest.Config
	// The Application, the Kustomization or the release.
	name string
	// The namespace of the objects that have none of their own.
	namespace string
	objects   []*unstructured.Unstructured

	// Of Argo CD alone.
	tracking, diff      string
	serverSide, replace bool
	prune               bool
}

// What has become of one object, or would.
type outcome struct {
	Object string `json:"object"`
	State  string `json:"state"`
	// Why, or how it differs.
	Detail any `json:"detail,omitempty"`
}

var commands = map[string]func(context.Context, arguments) ([]outcome, error){
	"argo-compare": argoCompare,
	"argo-sync":    argoSync,
	"flux-apply":   fluxApply,
	"flux-delete":  fluxDelete,
	"flux-drift":   fluxDrift,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		return errors.New("the first argument is a command: argo-compare, argo-sync, flux-apply, flux-delete or flux-drift")
	}
	var given arguments
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "of an admin")
	seconds := flags.Int("seconds", 60, "after which a sync that still waits is left")
	flags.StringVar(&given.name, "name", "", "of the Application, the Kustomization or the release")
	flags.StringVar(&given.namespace, "namespace", "", "of the objects without one")
	flags.StringVar(&given.tracking, "tracking", "annotation", "or label")
	flags.StringVar(&given.diff, "diff", "legacy", "or structured-merge, or server-side")
	flags.BoolVar(&given.serverSide, "server-side-apply", false, "the sync option ServerSideApply")
	flags.BoolVar(&given.replace, "replace", false, "the sync option Replace")
	flags.BoolVar(&given.prune, "prune", false, "delete what is tracked and no longer given")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	var err error
	if given.config, err = clientcmd.BuildConfigFromFlags("", *kubeconfig); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	// The API server limits requests by itself.
	given.config.QPS = -1
	if err := json.NewDecoder(os.Stdin).Decode(&given.objects); err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Duration(*seconds)*time.Second)
	defer stop()
	outcomes, err := commands[os.Args[1]](ctx, given)
	if err != nil {
		return fmt.Errorf("%s: %w", os.Args[1], err)
	}
	return json.NewEncoder(os.Stdout).Encode(outcomes)
}
