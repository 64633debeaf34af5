// Command schemas makes the JSON schemas in testdata/schemas, against which the Kubernetes example is checked, from the OpenAPI
// documents in the source of Kubernetes: go run ./internal/schemas. It leaves out the descriptions, and allows no fields but the
// described ones.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const kubernetes = "k8s.io/kubernetes@v1.34.1"

// kinds are those that the example has, by the document that describes them.
var kinds = map[string][]string{
	"api__v1":                     {"io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.Secret", "io.k8s.api.core.v1.Service"},
	"apis__apps__v1":              {"io.k8s.api.apps.v1.Deployment"},
	"apis__batch__v1":             {"io.k8s.api.batch.v1.Job"},
	"apis__networking.k8s.io__v1": {"io.k8s.api.networking.v1.Ingress"},
	"apis__policy__v1":            {"io.k8s.api.policy.v1.PodDisruptionBudget"},
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	out, err := exec.Command("go", "mod", "download", "-json", kubernetes).Output()
	if err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	var source struct{ Dir string }
	if err := json.Unmarshal(out, &source); err != nil {
		return err
	}
	for document, names := range kinds {
		text, err := os.ReadFile(filepath.Join(source.Dir, "api", "openapi-spec", "v3", document+"_openapi.json"))
		if err != nil {
			return err
		}
		var openapi struct {
			Components struct {
				Schemas map[string]map[string]any `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &openapi); err != nil {
			return err
		}
		for _, name := range names {
			if err := write(openapi.Components.Schemas, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the schema of a kind, with those that it refers to.
func write(all map[string]map[string]any, name string) error {
	is := all[name]["x-kubernetes-group-version-kind"].([]any)[0].(map[string]any)
	group, version, kind := is["group"].(string), is["version"].(string), is["kind"].(string)
	definitions := map[string]any{}
	collect(all, name, definitions)
	api, file := version, strings.ToLower(kind)
	if group != "" {
		api = group + "/" + version
		file += "-" + strings.SplitN(group, ".", 2)[0]
	}
	properties := definitions[name].(map[string]any)["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"const": api}
	properties["kind"] = map[string]any{"const": kind}
	text, err := json.MarshalIndent(map[string]any{"$ref": "#/$defs/" + name, "$defs": definitions}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("testdata", "schemas", file+"-"+version+".json"), append(text, '\n'), 0o644)
}

func collect(all map[string]map[string]any, name string, into map[string]any) {
	if _, ok := into[name]; ok {
		return
	}
	into[name] = nil // it may refer to itself
	into[name] = clean(all, all[name], into)
}

// clean returns the schema without what says nothing about the form of documents.
func clean(all map[string]map[string]any, schema map[string]any, into map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range schema {
		switch key {
		case "type", "enum", "required":
			kept[key] = value
		case "$ref":
			name := strings.TrimPrefix(value.(string), "#/components/schemas/")
			collect(all, name, into)
			kept[key] = "#/$defs/" + name
		case "properties":
			properties := map[string]any{}
			for name, p := range value.(map[string]any) {
				properties[name] = clean(all, p.(map[string]any), into)
			}
			kept[key] = properties
			kept["additionalProperties"] = false
		case "items", "additionalProperties":
			if inner, ok := value.(map[string]any); ok {
				kept[key] = clean(all, inner, into)
			}
		case "allOf", "oneOf", "anyOf":
			var parts []any
			for _, part := range value.([]any) {
				parts = append(parts, clean(all, part.(map[string]any), into))
			}
			kept[key] = parts
		}
	}
	return kept
}
