package main

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"sync"
	"time"
)

const (
	refreshAfter = 5 * time.Minute
	againAfter   = 10 * time.Second
	tooOld       = time.Hour
	fetchTimeout = 3 * time.Second
	longestSet   = 64 * 1024
)

// ErrNoKeys says that there are no keys, or that they are too old: nothing is known about the pass.
var ErrNoKeys = errors.New("the keys of the waiting room cannot be had")

// Key is a published key and the one algorithm that it is for.
type Key struct {
	Alg    string
	Public crypto.PublicKey
}

// Keys are the waiting room's public keys, kept so that no request waits for them but the first and those of a new key.
//
// They are fetched when five minutes old, and when a pass names a key that is not among them; never twice within ten seconds, whatever
// comes and whether a fetch worked or not. While they cannot be fetched the old ones stay, for an hour at most: then nobody is let in.
type Keys struct {
	url    string
	client http.Client

	fetching sync.Mutex // held while a fetch is under way, so that there is only one

	mutex   sync.Mutex // guards what follows, never while waiting for anything
	keys    map[string]Key
	fetched time.Time
	tried   time.Time
}

// NewKeys fetches nothing yet.
func NewKeys(url string) *Keys {
	return &Keys{url: url, client: http.Client{Timeout: fetchTimeout}}
}

// Get is the key of this name; not ok when it is not published.
func (k *Keys) Get(kid string) (key Key, ok bool, err error) {
	switch age := k.age(); {
	case age > tooOld:
		k.refresh()
	case age > refreshAfter && k.mayTry():
		go k.refresh()
	}
	if k.age() > tooOld {
		return Key{}, false, ErrNoKeys
	}
	if key, ok = k.find(kid); !ok {
		k.refresh()
		key, ok = k.find(kid)
	}
	return key, ok, nil
}

func (k *Keys) find(kid string) (Key, bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	key, ok := k.keys[kid]
	return key, ok
}

func (k *Keys) age() time.Duration {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return time.Since(k.fetched)
}

func (k *Keys) mayTry() bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return time.Since(k.tried) >= againAfter
}

// Who comes while a fetch is under way waits for it, and then finds that it was tried a moment ago.
func (k *Keys) refresh() {
	k.fetching.Lock()
	defer k.fetching.Unlock()
	if !k.mayTry() {
		return
	}
	began := time.Now()
	k.mutex.Lock()
	k.tried = began
	k.mutex.Unlock()
	keys, err := k.fetch()
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.tried = time.Now()
	if err != nil {
		log.Printf("%s: %v", k.url, err)
		return
	}
	k.keys, k.fetched = keys, began
}

func (k *Keys) fetch() (map[string]Key, error) {
	answer, err := k.client.Get(k.url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestSet))
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for _, jwk := range set.Keys {
		// Keys of other kinds are passed over (RFC 7517 §5).
		if public, err := jwk.public(); err == nil && jwk.Kid != "" {
			keys[jwk.Kid] = Key{jwk.Alg, public}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no keys")
	}
	return keys, nil
}

type jwk struct {
	Kty, Crv, X, Y, Kid, Alg string
}

func (j jwk) public() (crypto.PublicKey, error) {
	x, err := base64.RawURLEncoding.DecodeString(j.X)
	if err != nil {
		return nil, err
	}
	switch {
	case j.Kty == "OKP" && j.Crv == "Ed25519" && j.Alg == "EdDSA" && len(x) == ed25519.PublicKeySize:
		return ed25519.PublicKey(x), nil
	case j.Kty == "EC" && j.Crv == "P-256" && j.Alg == "ES256":
		y, err := base64.RawURLEncoding.DecodeString(j.Y)
		if err != nil {
			return nil, err
		}
		// Refuses what is no point of the curve.
		if _, err := ecdh.P256().NewPublicKey(append(append([]byte{4}, x...), y...)); err != nil {
			return nil, err
		}
		return &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}, nil
	}
	return nil, errors.New("a key of another kind")
}
