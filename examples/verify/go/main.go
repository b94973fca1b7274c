// A shop on net/http behind a Ropeline waiting room.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

type passOf struct{}

// admitted lets in only whom the waiting room admitted; their pass is then in the request's context.
func admitted(verifier *Verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Ropeline-Pass")
		if scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " "); token == "" && strings.EqualFold(scheme, "bearer") {
			token = bearer
		}
		if token == "" {
			refuse(w, http.StatusUnauthorized, "pass-missing", "send the pass in the header Ropeline-Pass")
			return
		}
		pass, err := verifier.Verify(token)
		switch {
		case errors.Is(err, ErrNoKeys):
			refuse(w, http.StatusServiceUnavailable, "pass-not-checked", err.Error())
		case err != nil:
			refuse(w, http.StatusUnauthorized, "pass-invalid", err.Error())
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passOf{}, pass)))
		}
	})
}

func refuse(w http.ResponseWriter, status int, slug, detail string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	} else {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, status, map[string]any{"error": slug, "detail": detail})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func main() {
	issuer := need("ROPELINE_ISSUER")
	jwks := os.Getenv("ROPELINE_JWKS")
	if jwks == "" {
		jwks = issuer + "/queue/jwks.json"
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	verifier := NewVerifier(NewKeys(jwks), issuer, need("ROPELINE_AUDIENCE"), need("ROPELINE_EVENT"))

	shop := http.NewServeMux()
	shop.HandleFunc("GET /checkout", func(w http.ResponseWriter, r *http.Request) {
		pass := r.Context().Value(passOf{}).(*Pass)
		answer(w, http.StatusOK, map[string]any{"visitor": pass.Visitor, "number": pass.Number})
	})
	// Each admission buys once, however often its pass is renewed. In a shop: a unique column `jti` beside the order.
	var used sync.Map
	shop.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		pass := r.Context().Value(passOf{}).(*Pass)
		if _, twice := used.LoadOrStore(pass.Jti, true); twice {
			answer(w, http.StatusConflict, map[string]any{"error": "already-used"})
			return
		}
		answer(w, http.StatusCreated, map[string]any{"order": pass.Jti})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, admitted(verifier, shop)))
}

func need(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set; see the README", name)
	}
	return value
}
