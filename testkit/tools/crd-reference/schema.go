package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

// Writes the JSON Schema of the CRD's first version, for editors and for tools such as kubeconform.
// As the API server does, it refuses a field that the schema does not know.
func writeSchema(text []byte, out io.Writer) error {
	var crd struct {
		Spec struct {
			Group string `json:"group"`
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	if len(crd.Spec.Versions) == 0 {
		return errors.New("the CRD has no version")
	}
	version := crd.Spec.Versions[0]
	root := toJSONSchema(version.Schema.OpenAPIV3Schema).(map[string]any)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	properties, _ := root["properties"].(map[string]any)
	if properties == nil {
		return errors.New("the CRD has no schema")
	}
	properties["apiVersion"] = map[string]any{"type": "string", "const": crd.Spec.Group + "/" + version.Name}
	properties["kind"] = map[string]any{"type": "string", "const": crd.Spec.Names.Kind}
	// The API server adds these to every kind.
	properties["metadata"] = map[string]any{"type": "object"}
	root["required"] = []string{"apiVersion", "kind", "metadata", "spec"}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(root)
}

// OpenAPI's words in those of JSON Schema: no Kubernetes extensions, null where it may be, no unknown fields.
func toJSONSchema(value any) any {
	switch node := value.(type) {
	case []any:
		for i := range node {
			node[i] = toJSONSchema(node[i])
		}
		return node
	case map[string]any:
		result := map[string]any{}
		for key, inner := range node {
			if strings.HasPrefix(key, "x-kubernetes-") || key == "nullable" || key == "example" {
				continue
			}
			switch key {
			case "properties":
				// Names of fields, not words of the schema.
				fields := map[string]any{}
				if named, ok := inner.(map[string]any); ok {
					for name, field := range named {
						fields[name] = toJSONSchema(field)
					}
				}
				result[key] = fields
			case "default", "enum":
				result[key] = inner
			default:
				result[key] = toJSONSchema(inner)
			}
		}
		if node["nullable"] == true {
			if single, ok := node["type"].(string); ok {
				result["type"] = []string{single, "null"}
			}
			if values, ok := result["enum"].([]any); ok {
				result["enum"] = append(values, nil)
			}
		}
		_, open := node["additionalProperties"]
		if _, closed := node["properties"]; closed && !open && node["x-kubernetes-preserve-unknown-fields"] != true {
			result["additionalProperties"] = false
		}
		return result
	}
	return value
}
