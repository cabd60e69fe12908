// Command protogen turns the .proto files under mesos/ into Go, without protoc.
//
// It compiles the files with protocompile and hands the descriptors to protoc-gen-go (all
// packages) and protoc-gen-go-vtproto (fast marshalling for what schedulers and executors say
// and hear), both pinned in this module's go.mod, and to a generator of its own for the decoder of
// the same traffic (fastpb.go).
//
//	go -C tools run ./protogen -root ..          write the files
//	go -C tools run ./protogen -root .. -check   fail if a file is not current
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const goModule = "github.com/mesokit/mesokit"

// fast lists the packages on the path of scheduler and executor traffic. The operator APIs stay
// on the standard runtime: their messages are rare, and generated code costs build time.
var fast = []string{"mesos/executorpb/", "mesos/mesospb/", "mesos/schedulerpb/"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("protogen: ")
	root := flag.String("root", "..", "root of the repository")
	check := flag.Bool("check", false, "compare with the files in the tree, write nothing")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		log.Fatal(err)
	}
}

func run(root string, check bool) error {
	names, err := protoFiles(root)
	if err != nil {
		return err
	}
	files, err := compile(root, names)
	if err != nil {
		return err
	}
	out := map[string]string{}
	if err := plugin(out, "protoc-gen-go", "module="+goModule, names, files); err != nil {
		return err
	}
	var fastNames []string
	for _, name := range names {
		for _, dir := range fast {
			if strings.HasPrefix(name, dir) {
				fastNames = append(fastNames, name)
			}
		}
	}
	if err := plugin(out, "protoc-gen-go-vtproto", "module="+goModule+",features=marshal+size", fastNames, files); err != nil {
		return err
	}
	if err := fastpb(out, names, files); err != nil {
		return err
	}
	if check {
		return compare(root, out)
	}
	for name, content := range out {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// protoFiles returns the .proto files of the repository, relative to root, in order.
func protoFiles(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(filepath.Join(root, "mesos"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".proto" {
			return err
		}
		rel, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	sort.Strings(names)
	return names, err
}

// compile returns the descriptors of the named files and of all they import, dependencies first.
func compile(root string, names []string) ([]*descriptorpb.FileDescriptorProto, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	var out []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		out = append(out, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range linked {
		add(fd)
	}
	return out, nil
}

// plugin runs one protoc plugin and adds the files it made to out.
func plugin(out map[string]string, name, param string, generate []string, files []*descriptorpb.FileDescriptorProto) error {
	req, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: generate, Parameter: &param, ProtoFile: files,
		CompilerVersion: &pluginpb.Version{Major: proto.Int32(5), Minor: proto.Int32(29), Patch: proto.Int32(0)},
	})
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "tool", name)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(req), os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var resp pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &resp); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if resp.Error != nil {
		return fmt.Errorf("%s: %s", name, resp.GetError())
	}
	for _, f := range resp.File {
		out[f.GetName()] = f.GetContent()
	}
	return nil
}

// compare reports the generated files that differ from those in the tree.
func compare(root string, out map[string]string) error {
	var stale []string
	for name, content := range out {
		have, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if string(have) != content {
			stale = append(stale, name)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	sort.Strings(stale)
	return fmt.Errorf("not current: %s; run make generate", strings.Join(stale, ", "))
}
