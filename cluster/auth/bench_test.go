package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func BenchmarkBasic(b *testing.B) {
	var known []Credential
	for i := range 1000 {
		known = append(known, Credential{fmt.Sprintf("p%d", i), secret})
	}
	a := NewAuthenticator(RealmScheduler, known, nil)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/scheduler", nil)
	r.Header.Set("Authorization", basicHeader("p500", secret))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.Authenticate(w, r); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkToken(b *testing.B) {
	s, err := NewSigner(nil)
	if err != nil {
		b.Fatal(err)
	}
	token, err := s.Token(map[string]string{ClaimFramework: "f-0000", ClaimExecutor: "e", ClaimContainer: "c"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}

// A hundred rules, of which the last fits.
func BenchmarkApprove(b *testing.B) {
	acls := &ACLs{Strict: true, Rules: map[Action][]Rule{}}
	for i := range 100 {
		acls.Rules[RegisterFrameworks] = append(acls.Rules[RegisterFrameworks], Rule{Some(fmt.Sprintf("p%d", i)), Some(fmt.Sprintf("r%d/%%", i))})
	}
	a, err := NewAuthorizer(acls)
	if err != nil {
		b.Fatal(err)
	}
	p := &Principal{Name: "p99"}
	b.ReportAllocs()
	for b.Loop() {
		if !a.Approve(p, RegisterFrameworks, "r99/a/b") {
			b.Fatal("forbidden")
		}
	}
}
