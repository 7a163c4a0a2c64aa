// Reads YAML texts (a JSON list on standard input) as Pulumi reads stack files, and answers for each with its value as
// JSON or the error.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gopkg.in/yaml.v3"
)

type answer struct {
	Value any    `json:"value"`
	Error string `json:"error,omitempty"`
}

func read(text string) (found answer) {
	defer func() {
		if problem := recover(); problem != nil {
			found = answer{Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return answer{Error: err.Error()}
	}
	if _, err := json.Marshal(value); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Value: value}
}

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	answers := make([]answer, len(texts))
	for i, text := range texts {
		answers[i] = read(text)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
