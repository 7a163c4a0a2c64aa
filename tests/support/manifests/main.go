// What the programs that take a host's files make of them: Compose's own loader; Kustomize's build, Kubernetes' own types read as
// strictly as its API server does with fieldValidation=Strict, and its own evaluation of the restricted pod security standard.
//
// usage: manifests FOLDER...   each with a compose.yaml or a kustomization.yaml; prints one JSON object by folder.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	kubejson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type result struct {
	Problems []string `json:"problems"`
	// Names of the services, or kind/name of the resources, as they were read.
	Names []string `json:"names"`
}

func (r *result) wrong(format string, values ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, values...))
}

func compose(folder string) (r result) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yaml")}, cli.WithResolvedPaths(true))
	if err != nil {
		r.wrong("%v", err)
		return
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		r.wrong("%v", err)
		return
	}
	r.Names = project.ServiceNames()
	for name, service := range project.Services {
		if len(service.Ports) > 0 {
			r.wrong("%s publishes a port", name)
		}
	}
	return
}

func kubernetes(folder string, restricted policy.Evaluator) (r result) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		r.wrong("%v", err)
		return
	}
	for _, resource := range built.Resources() {
		r.Names = append(r.Names, resource.GetKind()+"/"+resource.GetName())
		text, err := resource.MarshalJSON()
		if err != nil {
			r.wrong("%v", err)
			continue
		}
		deployment := apps.Deployment{}
		types := map[string]any{
			"Deployment":            &deployment,
			"ConfigMap":             &core.ConfigMap{},
			"Namespace":             &core.Namespace{},
			"PersistentVolumeClaim": &core.PersistentVolumeClaim{},
			"NetworkPolicy":         &networking.NetworkPolicy{},
		}
		into, known := types[resource.GetKind()]
		if !known {
			r.wrong("%s is of no kind that a host has", r.Names[len(r.Names)-1])
			continue
		}
		strict, err := kubejson.UnmarshalStrict(text, into)
		if err != nil {
			r.wrong("%s: %v", resource.GetName(), err)
		}
		for _, problem := range strict {
			r.wrong("%s: %v", resource.GetName(), problem)
		}
		if resource.GetKind() == "Deployment" {
			pod := deployment.Spec.Template
			level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
			for _, check := range restricted.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
				if !check.Allowed {
					r.wrong("%s: %s: %s", resource.GetName(), check.ForbiddenReason, check.ForbiddenDetail)
				}
			}
		}
	}
	return
}

func main() {
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	results := map[string]result{}
	for _, folder := range os.Args[1:] {
		if _, err := os.Stat(filepath.Join(folder, "compose.yaml")); err == nil {
			results[folder] = compose(folder)
		} else {
			results[folder] = kubernetes(folder, restricted)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		panic(err)
	}
}
