// Writes the reference of the resource, as Markdown, from its CRD on standard input; with the word schema, its JSON Schema.
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

type schema struct {
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Default     any               `json:"default"`
	Enum        []any             `json:"enum"`
	Pattern     string            `json:"pattern"`
	MinLength   *int              `json:"minLength"`
	MaxLength   *int              `json:"maxLength"`
	MinItems    *int              `json:"minItems"`
	MaxItems    *int              `json:"maxItems"`
	Required    []string          `json:"required"`
	Properties  map[string]schema `json:"properties"`
	Items       *schema           `json:"items"`
	Rules       []struct {
		Message string `json:"message"`
	} `json:"x-kubernetes-validations"`
}

type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind       string   `json:"kind"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema schema `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	switch {
	case err != nil:
	case len(os.Args) == 1:
		err = write(text)
	case len(os.Args) == 2 && os.Args[1] == "schema":
		err = writeSchema(text, os.Stdout)
	default:
		err = fmt.Errorf("unknown arguments %q; usage: crd-reference [schema]", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crd-reference:", err)
		os.Exit(1)
	}
}

func write(text []byte) error {
	var crd definition
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	names := crd.Spec.Names
	fmt.Printf("# Reference: %s\n\n<!-- Generated from the types by hack/render-reference. -->\n", names.Kind)
	for _, version := range crd.Spec.Versions {
		root := version.Schema.OpenAPIV3Schema
		fmt.Printf("\n`%s/%s`, kind `%s`, short name `%s`, categories `%s`.\n\n%s\n", crd.Spec.Group, version.Name, names.Kind,
			strings.Join(names.ShortNames, "`, `"), strings.Join(names.Categories, "`, `"), oneLine(root.Description))
		for _, part := range []string{"spec", "status"} {
			fmt.Printf("\n## %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", part, oneLine(root.Properties[part].Description))
			fields(part, root.Properties[part])
			var rules []string
			if part == "spec" {
				collect(part, root.Properties[part], &rules)
			}
			if len(rules) > 0 {
				fmt.Printf("\nRefused by the API server:\n\n%s", strings.Join(rules, ""))
			}
		}
	}
	return nil
}

func fields(path string, object schema) {
	names := make([]string, 0, len(object.Properties))
	for name := range object.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	required := map[string]bool{}
	for _, name := range object.Required {
		required[name] = true
	}
	for _, name := range names {
		field := object.Properties[name]
		where := strings.TrimPrefix(strings.TrimPrefix(path+"."+name, "spec."), "status.")
		fmt.Printf("| `%s` | %s | %s |\n", where, kind(field), describe(field, required[name] && strings.HasPrefix(path, "spec")))
		fields(path+"."+name, field)
		if field.Items != nil {
			fields(path+"."+name+"[]", *field.Items)
		}
	}
}

func kind(field schema) string {
	if field.Type == "array" && field.Items != nil {
		return "list of " + kind(*field.Items)
	}
	if field.Format == "date-time" {
		return "time"
	}
	return field.Type
}

func describe(field schema, required bool) string {
	parts := []string{}
	if field.Description != "" {
		parts = append(parts, oneLine(field.Description))
	}
	if required {
		parts = append(parts, "**Required.**")
	}
	if field.Default != nil {
		parts = append(parts, fmt.Sprintf("Default `%v`.", field.Default))
	}
	values := []string{}
	for _, value := range field.Enum {
		if value != nil {
			values = append(values, fmt.Sprintf("`%v`", value))
		}
	}
	if len(values) > 0 {
		parts = append(parts, "One of "+strings.Join(values, ", ")+".")
	}
	parts = append(parts, size(field.MinLength, field.MaxLength, "characters"), size(field.MinItems, field.MaxItems, "items"))
	return strings.ReplaceAll(strings.Join(strings.Fields(strings.Join(parts, " ")), " "), "|", "\\|")
}

func size(low, high *int, unit string) string {
	switch {
	case low != nil && high != nil:
		return fmt.Sprintf("%d to %d %s.", *low, *high, unit)
	case high != nil:
		return fmt.Sprintf("At most %d %s.", *high, unit)
	case low != nil:
		return fmt.Sprintf("At least %d %s.", *low, unit)
	}
	return ""
}

func collect(path string, object schema, rules *[]string) {
	for _, rule := range object.Rules {
		if rule.Message != "" {
			*rules = append(*rules, fmt.Sprintf("* `%s`: %s\n", path, oneLine(rule.Message)))
		}
	}
	names := make([]string, 0, len(object.Properties))
	for name := range object.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		collect(path+"."+name, object.Properties[name], rules)
	}
	if object.Items != nil {
		collect(path+"[]", *object.Items, rules)
	}
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}
