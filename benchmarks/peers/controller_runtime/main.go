// Command controller_runtime is a mutating pod webhook as Go projects write it on controller-runtime:
// decode into a typed corev1.Pod, change the typed pod, marshal it and let the library diff the two documents
// (controller-runtime examples/builtins/mutatingwebhook.go).
//
// It gives the pod the same treatment that the benchmarked webhook gave it, read from a file, so that both
// send the same change over the wire. It decides nothing, reads no policy and checks no result, so it is given
// less to do than what it is compared with.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// treatment is the change that the pod gets.
type treatment struct {
	Command     []string          `json:"command"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// podTreater answers a review with a patch that applies its treatment to the container named base.
type podTreater struct {
	decoder   admission.Decoder
	treatment treatment
}

func (t *podTreater) Handle(_ context.Context, req admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := t.decoder.Decode(req, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if err := t.treat(pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	marshaled, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(req.Object.Raw, marshaled)
}

func (t *podTreater) treat(pod *corev1.Pod) error {
	pod.Labels = merged(pod.Labels, t.treatment.Labels)
	pod.Annotations = merged(pod.Annotations, t.treatment.Annotations)
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == "base" {
			pod.Spec.Containers[i].Command = t.treatment.Command
			return nil
		}
	}
	return errors.New("the pod has no container named base")
}

func merged(into, from map[string]string) map[string]string {
	if into == nil {
		into = make(map[string]string, len(from))
	}
	for key, value := range from {
		into[key] = value
	}
	return into
}

func readTreatment(path string) (treatment, error) {
	var read treatment
	content, err := os.ReadFile(path)
	if err != nil {
		return read, err
	}
	return read, json.Unmarshal(content, &read)
}

func run() error {
	port := flag.Int("port", 9443, "port on 127.0.0.1")
	certificate := flag.String("certificate-file", "", "PEM file of the serving certificate")
	privateKey := flag.String("private-key-file", "", "PEM file of its private key, in the same directory")
	treatmentFile := flag.String("treatment-file", "", "JSON file with command, labels and annotations")
	flag.Parse()

	treatment, err := readTreatment(*treatmentFile)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	server := webhook.NewServer(webhook.Options{
		Host:     "127.0.0.1",
		Port:     *port,
		CertDir:  filepath.Dir(*certificate),
		CertName: filepath.Base(*certificate),
		KeyName:  filepath.Base(*privateKey),
	})
	server.Register("/mutate", &webhook.Admission{
		Handler: &podTreater{decoder: admission.NewDecoder(scheme), treatment: treatment},
	})
	return server.Start(ctrl.SetupSignalHandler())
}

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(); err != nil {
		ctrl.Log.Error(err, "cannot serve")
		os.Exit(1)
	}
}
