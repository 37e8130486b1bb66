// Parses Logstash pipeline files with a parser of the language itself, and says where one is wrong.
// Run from this folder: go run . FILE...
package main

import (
	"fmt"
	"os"

	config "github.com/breml/logstash-config"
	"github.com/breml/logstash-config/ast"
)

func main() {
	wrong := 0
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Printf("%s: %v\n", path, err)
			wrong++
		}
	}
	fmt.Printf("%d files parsed, %d wrong\n", len(os.Args)-1, wrong)
	if wrong > 0 || len(os.Args) == 1 {
		os.Exit(1)
	}
}

// check also refuses what parses and yet does nothing: a pipeline without an input, a filter or an output.
func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parsed, err := config.Parse(path, text)
	if err != nil {
		return err
	}
	pipeline, ok := parsed.(ast.Config)
	if !ok {
		return fmt.Errorf("not a pipeline but %T", parsed)
	}
	if len(pipeline.Input) == 0 || len(pipeline.Filter) == 0 || len(pipeline.Output) == 0 {
		return fmt.Errorf("input, filter and output must all be there")
	}
	return nil
}
