// Checks the GitOps health rules on the status fixtures: Argo CD's Lua, Flux's expressions with Flux's own evaluator, and kstatus,
// which both fall back to. Each fixture's first line says what to expect. Flux's objects must be what its own types take, with no
// field unknown, and Argo CD's script for Applications must pass their health on.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

var expectation = regexp.MustCompile(`^# expect: argocd=(\w+) flux=(\w+) kstatus=(\w+)\n`)

func main() {
	root := "deploy/gitops"
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	failures, count, err := run(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gitops-check:", err)
		os.Exit(1)
	}
	for _, failure := range failures {
		fmt.Fprintln(os.Stderr, "gitops-check:", failure)
	}
	if len(failures) > 0 {
		os.Exit(1)
	}
	fmt.Printf("gitops-check: %d fixtures as expected by Argo CD's Lua, Flux's expressions and kstatus\n", count)
}

func run(root string) (failures []string, count int, err error) {
	script, err := os.ReadFile(filepath.Join(root, "argocd/health.lua"))
	if err != nil {
		return nil, 0, err
	}
	if err := sameLua(root, string(script)); err != nil {
		return nil, 0, err
	}
	if failures, err = applications(root); err != nil {
		return nil, 0, err
	}
	if err := fluxObjects(filepath.Join(root, "flux")); err != nil {
		return nil, 0, err
	}
	flux, err := fluxEvaluator(filepath.Join(root, "flux/kustomizations.yaml"))
	if err != nil {
		return nil, 0, err
	}
	files, err := filepath.Glob(filepath.Join(root, "fixtures/*.yaml"))
	if err != nil {
		return nil, 0, err
	}
	if len(files) == 0 {
		return nil, 0, fmt.Errorf("no fixtures below %s", root)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, err
		}
		want := expectation.FindStringSubmatch(string(text))
		if want == nil {
			return nil, 0, fmt.Errorf("%s: the first line must say what to expect", file)
		}
		json, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file, err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(json); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file, err)
		}
		check := func(tool, want, got string) {
			if got != want {
				failures = append(failures, fmt.Sprintf("%s: %s says %s, not %s", filepath.Base(file), tool, got, want))
			}
		}
		health, message, err := argo(string(script), object.Object)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file, err)
		}
		check("Argo CD", want[1], health)
		if message == "" {
			failures = append(failures, filepath.Base(file)+": Argo CD shows no message")
		}
		// An expression that meets no status at all fails; Flux then shows Unknown and goes on waiting.
		fluxStatus := "Unknown"
		if result, err := flux.Evaluate(context.Background(), object); err == nil {
			fluxStatus = string(result.Status)
		} else if object.Object["status"] != nil {
			failures = append(failures, fmt.Sprintf("%s: Flux: %v", filepath.Base(file), err))
		}
		check("Flux", want[2], fluxStatus)
		result, err := status.Compute(object)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file, err)
		}
		check("kstatus", want[3], string(result.Status))
		count++
	}
	return failures, count, nil
}

// The script in the ConfigMap is the script in the file.
func sameLua(root, script string) error {
	data, err := argoConfig(root)
	if err != nil {
		return err
	}
	if strings.TrimSpace(data["resource.customizations.health.vod-operator.dev_VodMessageCallback"]) != strings.TrimSpace(script) {
		return fmt.Errorf("argocd-cm.yaml holds another script than health.lua")
	}
	return nil
}

func argoConfig(root string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(root, "argocd/argocd-cm.yaml"))
	if err != nil {
		return nil, err
	}
	var config struct {
		Data map[string]string `json:"data"`
	}
	err = yaml.Unmarshal(text, &config)
	return config.Data, err
}

// An Application is as healthy as it says itself; without a word of its own it is under way.
func applications(root string) (failures []string, err error) {
	data, err := argoConfig(root)
	if err != nil {
		return nil, err
	}
	script := data["resource.customizations.health.argoproj.io_Application"]
	health := func(status string) map[string]any {
		return map[string]any{"status": map[string]any{"health": map[string]any{"status": status, "message": "why"}}}
	}
	for _, test := range []struct {
		object          map[string]any
		status, message string
	}{
		{map[string]any{}, "Progressing", "Waiting for its first sync"},
		{map[string]any{"status": map[string]any{}}, "Progressing", "Waiting for its first sync"},
		{health("Healthy"), "Healthy", "why"},
		{health("Degraded"), "Degraded", "why"},
		{health("Progressing"), "Progressing", "why"},
	} {
		status, message, err := argo(script, test.object)
		if err != nil {
			return nil, fmt.Errorf("the health of Applications: %w", err)
		}
		if status != test.status || message != test.message {
			failures = append(failures, fmt.Sprintf("the health of Applications: %v is %s (%s), not %s (%s)", test.object, status, message, test.status, test.message))
		}
	}
	return failures, nil
}

// Every object is one of Flux's, by Flux's own types, and has no field that they do not know.
func fluxObjects(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			var head struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
			}
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			object, known := map[string]any{
				"kustomize.toolkit.fluxcd.io/v1 Kustomization": &kustomizev1.Kustomization{},
				"helm.toolkit.fluxcd.io/v2 HelmRelease":        &helmv2.HelmRelease{},
				"source.toolkit.fluxcd.io/v1 OCIRepository":    &sourcev1.OCIRepository{},
			}[head.APIVersion+" "+head.Kind]
			if !known {
				return fmt.Errorf("%s: %s %s is none of Flux's objects", file, head.APIVersion, head.Kind)
			}
			if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
				return fmt.Errorf("%s: %s: %w", file, head.Kind, err)
			}
		}
	}
	return nil
}

func fluxEvaluator(file string) (*cel.StatusEvaluator, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var kustomization struct {
			Spec struct {
				HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(document), &kustomization); err != nil {
			return nil, err
		}
		for _, check := range kustomization.Spec.HealthCheckExprs {
			if check.Kind == "VodMessageCallback" {
				return cel.NewStatusEvaluator(&check.HealthCheckExpressions)
			}
		}
	}
	return nil, fmt.Errorf("%s: no healthCheckExprs for VodMessageCallback", file)
}

// As Argo CD runs it: the object is the global obj, and only the base, string and table libraries are there.
func argo(script string, object map[string]any) (health, message string, err error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("health.lua returned no table")
	}
	return lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message")), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(from)
	case bool:
		return lua.LBool(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	default:
		return lua.LNil
	}
}
