package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// The field manager of Argo CD's server-side apply (common/common.go ArgoCDSSAManager).
	argoManager      = "argocd-controller"
	trackingID       = "argocd.argoproj.io/tracking-id"
	instance         = "app.kubernetes.io/instance"
	trackedByLabel   = "label"
	cachedForCompare = true
)

// An Application, as far as the engine knows of it.
type application struct {
	arguments
	cache cache.ClusterCache
}

// The Application with what is in the cluster. Its objects get the mark by which it tracks them (util/argo/resource_tracking.go SetAppInstance).
func newApplication(given arguments) (application, error) {
	one := application{arguments: given}
	one.cache = cache.NewClusterCache(given.config, cache.SetLogr(logr.Discard()), cache.SetPopulateResourceInfoHandler(
		func(live *unstructured.Unstructured, _ bool) (any, bool) {
			return one.trackerOf(live), cachedForCompare
		},
	))
	if err := one.cache.EnsureSynced(); err != nil {
		return application{}, err
	}
	for _, target := range given.objects {
		if err := one.track(target); err != nil {
			return application{}, err
		}
	}
	return one, nil
}

func (one application) track(target *unstructured.Unstructured) error {
	if one.tracking == trackedByLabel {
		return unstructured.SetNestedField(target.Object, one.name, "metadata", "labels", instance)
	}
	kind, namespace := target.GroupVersionKind().GroupKind(), target.GetNamespace()
	if namespace == "" {
		namespace = one.namespace
	}
	id := fmt.Sprintf("%s:%s/%s:%s/%s", one.name, kind.Group, kind.Kind, namespace, target.GetName())
	return unstructured.SetNestedField(target.Object, id, "metadata", "annotations", trackingID)
}

// The name of the Application that tracks an object; empty: none does.
func (one application) trackerOf(live *unstructured.Unstructured) string {
	if one.tracking == trackedByLabel {
		return live.GetLabels()[instance]
	}
	name, _, _ := strings.Cut(live.GetAnnotations()[trackingID], ":")
	return name
}

func (one application) tracks(resource *cache.Resource) bool {
	return resource.Info == one.name
}

// Of each object: Synced, OutOfSync, Missing, or Extra for one that is to be pruned (controller/state.go CompareAppState).
func argoCompare(_ context.Context, given arguments) ([]outcome, error) {
	one, err := newApplication(given)
	if err != nil {
		return nil, err
	}
	live, err := one.cache.GetManagedLiveObjs(one.objects, one.tracks)
	if err != nil {
		return nil, err
	}
	pairs := sync.Reconcile(one.objects, live, one.namespace, one.cache)
	options, end, err := one.diffOptions()
	if err != nil {
		return nil, err
	}
	defer end()
	results, err := diff.DiffArray(pairs.Target, pairs.Live, options...)
	if err != nil {
		return nil, err
	}
	outcomes := []outcome{}
	for place, result := range results.Diffs {
		outcomes = append(outcomes, compared(pairs.Target[place], pairs.Live[place], result))
	}
	return outcomes, nil
}

func (one application) diffOptions() ([]diff.Option, func(), error) {
	options := []diff.Option{diff.WithLogr(logr.Discard()), diff.WithGVKParser(one.cache.GetGVKParser()), diff.WithManager(argoManager)}
	switch one.diff {
	case "structured-merge":
		return append(options, diff.WithStructuredMergeDiff(true)), func() {}, nil
	case "server-side":
		applier, end, err := one.kubectl().ManageServerSideDiffDryRuns(one.config)
		runner := diff.NewK8sServerSideDryRunner(applier)
		return append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(runner)), end, err
	}
	return options, func() {}, nil
}

func (one application) kubectl() kube.Kubectl {
	return &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
}

func compared(target, live *unstructured.Unstructured, result diff.DiffResult) outcome {
	switch {
	case target == nil:
		return outcome{Object: nameOf(live), State: "Extra"}
	case live == nil:
		return outcome{Object: nameOf(target), State: "Missing"}
	case result.Modified:
		sides := map[string]json.RawMessage{"live": result.NormalizedLive, "predicted": result.PredictedLive}
		return outcome{Object: nameOf(target), State: "OutOfSync", Detail: sides}
	}
	return outcome{Object: nameOf(target), State: "Synced"}
}

// Of each object that was applied or pruned: what the engine says of it. A sync that waits for the health of an object ends at the deadline, without
// what comes after this object.
func argoSync(ctx context.Context, given arguments) ([]outcome, error) {
	one, err := newApplication(given)
	if err != nil {
		return nil, err
	}
	runner := engine.NewEngine(one.config, one.cache, engine.WithLogr(logr.Discard()))
	// Argo CD's default is to delete in the foreground, for which a cluster needs its garbage collector.
	background := meta.DeletePropagationBackground
	results, err := runner.Sync(ctx, one.objects, one.tracks, "revision", one.namespace,
		sync.WithLogr(logr.Discard()),
		sync.WithOperationSettings(false, one.prune, false, false),
		sync.WithPrunePropagationPolicy(&background),
		sync.WithServerSideApply(one.serverSide),
		sync.WithServerSideApplyManager(argoManager),
		sync.WithReplace(one.replace),
	)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	outcomes := []outcome{}
	for _, result := range results {
		key := result.ResourceKey
		name := fmt.Sprintf("%s/%s", key.Kind, key.Name)
		outcomes = append(outcomes, outcome{Object: name, State: string(result.Status), Detail: result.Message})
	}
	return outcomes, nil
}

func nameOf(object *unstructured.Unstructured) string {
	return fmt.Sprintf("%s/%s", object.GetKind(), object.GetName())
}
