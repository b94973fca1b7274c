// Reads a Compose file as `docker compose` does, with the same library: against the specification's schema, with every reference
// resolved. Prints the whole project as JSON; whatever is wrong goes to stderr, with exit code 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: compose FILE"))
	}
	// Of the environment nothing: what the file says by itself is what is judged.
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	fail(err)
	project, err := options.LoadProject(context.Background())
	fail(err)
	fail(json.NewEncoder(os.Stdout).Encode(project))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
