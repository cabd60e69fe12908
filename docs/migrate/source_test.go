package migrate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// excerpt returns the text of a file, or of some of its declarations in the order of their names: F for functions, types, variables and
// constants, T.M for methods.
func excerpt(file string, names []string) (string, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return strings.TrimSuffix(string(source), "\n"), nil
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, source, parser.ParseComments)
	if err != nil {
		return "", err
	}
	text := make(map[string]string)
	for _, d := range tree.Decls {
		start, end := d.Pos(), d.End()
		var doc *ast.CommentGroup
		var named []string
		switch d := d.(type) {
		case *ast.FuncDecl:
			doc, named = d.Doc, []string{qualified(d)}
		case *ast.GenDecl:
			doc = d.Doc
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					named = append(named, s.Name.Name)
				case *ast.ValueSpec:
					named = append(named, s.Names[0].Name)
				}
			}
		}
		if doc != nil {
			start = doc.Pos()
		}
		for _, name := range named {
			text[name] = string(source[files.Position(start).Offset:files.Position(end).Offset])
		}
	}
	var out []string
	for _, name := range names {
		if text[name] == "" {
			return "", fmt.Errorf("%s declares no %s", file, name)
		}
		out = append(out, text[name])
	}
	return strings.Join(out, "\n\n"), nil
}

func qualified(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	return typeName(f.Recv.List[0].Type) + "." + f.Name.Name
}

// typeName returns the name of a type that is written as T, *T, pkg.T or T[P].
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// packages are those that pages speak of, by the name they have in code.
var packages = map[string]string{
	"framework": "framework", "app": "framework/app", "core": "framework/core", "placement": "framework/placement", "store": "framework/store",
	"election": "framework/election", "server": "framework/server",
	"driver": "driver", "scheduler": "client/scheduler", "executor": "client/executor", "operator": "client/operator",
	"detector": "client/detector", "transport": "client/transport", "resources": "mesos/resources", "codec": "mesos/codec",
	"recordio": "mesos/recordio", "duration": "mesos/duration", "cluster": "cluster",
	"mesospb": "mesos/mesospb", "schedulerpb": "mesos/schedulerpb", "executorpb": "mesos/executorpb",
	"masterpb": "mesos/masterpb", "agentpb": "mesos/agentpb",
}

// index knows what packages declare: "pkg.Name" and "pkg.Type.Member".
type index map[string]bool

func newIndex(t *testing.T) index {
	t.Helper()
	x := make(index)
	for name, dir := range packages {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("package %s has no files in %s", name, dir)
		}
		embeds := make(map[string][]string)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_vtproto.pb.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tree.Decls {
				x.add(name, d, embeds)
			}
		}
		for outer, inners := range embeds {
			for _, inner := range inners {
				for key := range x {
					if member, ok := strings.CutPrefix(key, name+"."+inner+"."); ok {
						x[name+"."+outer+"."+member] = true
					}
				}
			}
		}
	}
	return x
}

func (x index) add(pkg string, d ast.Decl, embeds map[string][]string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		x[pkg+"."+qualified(d)] = true
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					x[pkg+"."+name.Name] = true
				}
			case *ast.TypeSpec:
				x[pkg+"."+s.Name.Name] = true
				var fields *ast.FieldList
				switch st := s.Type.(type) {
				case *ast.StructType:
					fields = st.Fields
				case *ast.InterfaceType:
					fields = st.Methods
				default:
					continue
				}
				for _, f := range fields.List {
					for _, name := range f.Names {
						x[pkg+"."+s.Name.Name+"."+name.Name] = true
					}
					if f.Names == nil {
						embeds[s.Name.Name] = append(embeds[s.Name.Name], typeName(f.Type))
					}
				}
			}
		}
	}
}

// lookup tells whether a name exists, and whether it is one that can be checked: pkg.Name, pkg.Type.Member, or the path of a file or package.
func (x index) lookup(name string) (known, checked bool) {
	name, _, _ = strings.Cut(name, "(") // arguments
	if strings.Contains(name, "/") && !strings.ContainsAny(name, " :\"") {
		first, _, _ := strings.Cut(name, "/")
		if _, err := os.Stat(filepath.Join(root, first)); err != nil {
			return false, false
		}
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil, true
	}
	pkg, rest, dotted := strings.Cut(name, ".")
	if _, ours := packages[pkg]; !ours {
		return false, false
	}
	if !dotted {
		return true, true
	}
	return rest != "" && x[name], true
}
