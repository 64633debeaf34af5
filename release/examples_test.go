package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/yannh/kubeconform/pkg/validator"
)

// TestTheKubernetesExampleIsValid checks it against the schemas of Kubernetes, which internal/schemas has made.
func TestTheKubernetesExampleIsValid(t *testing.T) {
	v, err := validator.New([]string{"testdata/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	all, err := filepath.Glob("../examples/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range v.Validate(file, f) {
			signature, err := r.Resource.Signature()
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			found[signature.Kind] = true
			if r.Status != validator.Valid {
				t.Errorf("%s, %s: %v %v", file, signature.Kind, r.Err, r.ValidationErrors)
			}
		}
	}
	for _, kind := range []string{"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "Ingress", "Job"} {
		if !found[kind] {
			t.Errorf("the example has no %s", kind)
		}
	}
}

func TestTheSchemasFindFaults(t *testing.T) {
	v, err := validator.New([]string{"testdata/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../examples/kubernetes/cloakroom.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for right, wrong := range map[string]string{
		"replicas: 2":                   "replica: 2",
		"runAsNonRoot: true":            "runAsNonRoot: maybe",
		"maxUnavailable: 1":             "maxUnavailable: [1]",
		"pathType: Prefix":              "",
		"readOnlyRootFilesystem":        "readonlyRootFilesystem",
		"apiVersion: policy/v1":         "apiVersion: policy/v9",
		"defaultMode: 0440":             "defaultMode: private",
		"targetPort: http":              "targetPort: { name: http }",
		"matchLabels: { app.k":          "matchLabel: { app.k",
		"terminationGracePeriodSeconds": "terminationGracePeriod",
	} {
		changed := strings.Replace(string(text), right, wrong, 1)
		if changed == string(text) {
			t.Errorf("the example has no %q", right)
			continue
		}
		valid := true
		for _, r := range v.Validate("changed.yaml", closer{strings.NewReader(changed)}) {
			valid = valid && r.Status == validator.Valid
		}
		if valid {
			t.Errorf("%q instead of %q is valid", wrong, right)
		}
	}
}

type closer struct{ *strings.Reader }

func (closer) Close() error { return nil }

// TestTheComposeExampleIsValid reads it with the library of Docker Compose.
func TestTheComposeExampleIsValid(t *testing.T) {
	dir := "../examples/compose"
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir), cli.WithEnv([]string{"CLOAKROOM_HOST=app.example.com"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cloakroom1", "cloakroom2"} {
		node, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if node.Image != "cloakroom/cloakroom:0.1.0" || *node.Environment["CLOAKROOM_URL"] != "https://app.example.com" || len(node.Secrets) != 2 || !node.ReadOnly {
			t.Errorf("%s is %+v", name, node)
		}
	}
	options.Environment["CLOAKROOM_HOST"] = ""
	if _, err := options.LoadProject(t.Context()); err == nil {
		t.Error("without a host it is valid")
	}
}
