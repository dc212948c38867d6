package main

import (
	"context"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	kustomizeController = "kustomize-controller"
	kustomizeGroup      = "kustomize.toolkit.fluxcd.io"
	helmController      = "helm-controller"
)

func kustomization(given arguments) (*ssa.ResourceManager, error) {
	admin, err := client.New(given.config, client.Options{})
	if err != nil {
		return nil, err
	}
	return ssa.NewResourceManager(admin, nil, ssa.Owner{Field: kustomizeController, Group: kustomizeGroup}), nil
}

// Of each object: created, configured or unchanged. Options as kustomize-controller sets them for a Kustomization (kustomization_controller.go
// apply), whose spec.force recreates objects with immutable fields; conflicts of field managers are always forced.
func fluxApply(ctx context.Context, given arguments) ([]outcome, error) {
	manager, err := kustomization(given)
	if err != nil {
		return nil, err
	}
	if err := normalize.UnstructuredList(given.objects); err != nil {
		return nil, err
	}
	manager.SetOwnerLabels(given.objects, given.name, given.namespace)
	options := ssa.DefaultApplyOptions()
	options.Force = given.replace
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{core.LastAppliedConfigAnnotation},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: meta.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: meta.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: meta.ManagedFieldsOperationUpdate},
			{Name: kustomizeController, OperationType: meta.ManagedFieldsOperationUpdate},
		},
	}
	changes, err := manager.ApplyAll(ctx, given.objects, options)
	return outcomesOf(changes), err
}

// Of each object: deleted, or skipped if the Kustomization's labels are not on it (kustomization_controller.go prune).
func fluxDelete(ctx context.Context, given arguments) ([]outcome, error) {
	manager, err := kustomization(given)
	if err != nil {
		return nil, err
	}
	options := ssa.DefaultDeleteOptions()
	options.Inclusions = manager.GetOwnerLabels(given.name, given.namespace)
	changes, err := manager.DeleteAll(ctx, given.objects, options)
	return outcomesOf(changes), err
}

func outcomesOf(changes *ssa.ChangeSet) []outcome {
	outcomes := []outcome{}
	if changes == nil {
		return outcomes
	}
	for _, change := range changes.Entries {
		name := change.ObjMetadata.GroupKind.Kind + "/" + change.ObjMetadata.Name
		outcomes = append(outcomes, outcome{Object: name, State: string(change.Action)})
	}
	return outcomes
}

// Of each object of a release's manifest: none, create or update, with the patch by which helm-controller would correct the drift
// (internal/action/diff.go Diff).
func fluxDrift(ctx context.Context, given arguments) ([]outcome, error) {
	admin, err := client.New(given.config, client.Options{})
	if err != nil {
		return nil, err
	}
	if err := normalize.UnstructuredListWithScheme(given.objects, admin.Scheme()); err != nil {
		return nil, err
	}
	for _, one := range given.objects {
		setHelmMetadata(one, given.name, given.namespace)
	}
	drifts, err := jsondiff.UnstructuredList(ctx, admin, given.objects, jsondiff.FieldOwner(helmController), jsondiff.Rationalize(true))
	outcomes := []outcome{}
	for _, drift := range drifts {
		one := outcome{Object: drift.GroupVersionKind().Kind + "/" + drift.GetName(), State: string(drift.Type)}
		if len(drift.Patch) > 0 {
			one.Detail = drift.Patch
		}
		outcomes = append(outcomes, one)
	}
	return outcomes, err
}

// What Helm adds to the objects of a release, and does not have in its manifest.
func setHelmMetadata(one *unstructured.Unstructured, release, namespace string) {
	labels, annotations := one.GetLabels(), one.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels["app.kubernetes.io/managed-by"] = "Helm"
	annotations["meta.helm.sh/release-name"], annotations["meta.helm.sh/release-namespace"] = release, namespace
	one.SetLabels(labels)
	one.SetAnnotations(annotations)
}
