// The projects whose CustomResourceDefinitions the tests read. Nothing of them is built, so `go mod tidy` has no place here:
// `go mod download -json MODULE@VERSION` adds to go.sum.
module testbed/tools/gitops-definitions

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.4.4
	github.com/fluxcd/helm-controller v1.6.4
	github.com/fluxcd/kustomize-controller v1.9.5
	github.com/fluxcd/source-controller v1.9.5
)
