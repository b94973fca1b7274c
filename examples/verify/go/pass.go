package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	passType    = "ropeline-pass+jwt"
	leeway      = 5 * time.Second
	longestPass = 4096
)

// Both come from the key, which the header names. Leave out what your waiting room does not sign with.
var algorithms = []string{"ES256", "EdDSA"}

var randomJti = regexp.MustCompile(`^[A-Za-z0-9_-]{22,128}$`)

// Pass is what a good pass says.
type Pass struct {
	Visitor string
	Jti     string
	// Number is nil where no queue was in force.
	Number *uint64
}

// Verifier verifies passes of the waiting room, offline.
//
// golang-jwt checks the signature, iss, aud, iat and exp. What it leaves to its caller is in [read]: that no member is there twice, that
// header and claims are exactly what a pass has, and that the pass is for this event.
type Verifier struct {
	keys                    *Keys
	issuer, audience, event string
	parser                  *jwt.Parser
}

// NewVerifier takes issuer, audience and event from your own configuration.
func NewVerifier(keys *Keys, issuer, audience, event string) *Verifier {
	parser := jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
	)
	return &Verifier{keys, issuer, audience, event, parser}
}

// Verify answers what a pass that is good now says; [ErrNoKeys] when nothing is known about it.
func (v *Verifier) Verify(token string) (*Pass, error) {
	header, claims, err := read(token)
	if err != nil {
		return nil, err
	}
	key, known, err := v.keys.Get(header["kid"].(string))
	if err != nil {
		return nil, err
	}
	if !known || key.Alg != header["alg"] {
		return nil, errors.New("signed with an unknown key")
	}
	if _, err := v.parser.Parse(token, func(*jwt.Token) (any, error) { return key.Public, nil }); err != nil {
		return nil, err
	}
	if claims["aud"] != v.audience { // golang-jwt takes a list, too
		return nil, errors.New("for another audience")
	}
	if claims["evt"] != v.event {
		return nil, errors.New("for another event")
	}
	pass := &Pass{Visitor: claims["sub"].(string), Jti: claims["jti"].(string)}
	if number, ok := natural(claims["num"]); ok {
		pass.Number = &number
	}
	return pass, nil
}

// What the token says, if it has the form of a pass. Nothing of it may be believed yet.
func read(token string) (header, claims map[string]any, err error) {
	segments := strings.Split(token, ".")
	if len(token) > longestPass || len(segments) != 3 {
		return nil, nil, errors.New("no compact JWS")
	}
	if header, err = object(segments[0]); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if claims, err = object(segments[1]); err != nil {
		return nil, nil, fmt.Errorf("claims: %w", err)
	}
	if len(header) != 3 || !areTexts(header, "alg", "typ", "kid") || header["typ"] != passType {
		return nil, nil, errors.New("the header is not that of a pass")
	}
	_, iat := natural(claims["iat"])
	_, exp := natural(claims["exp"])
	if !areTexts(claims, "iss", "aud", "sub", "evt", "jti") || !iat || !exp || !isOneOf(claims) {
		return nil, nil, errors.New("the claims are not those of a pass")
	}
	return header, claims, nil
}

// Admitted from the line, or while no queue was in force; jti is the name of that one admission.
func isOneOf(claims map[string]any) bool {
	jti := claims["jti"].(string)
	seq, hasSeq := natural(claims["seq"])
	_, hasNum := natural(claims["num"])
	if claims["adm"] == nil {
		return hasNum && hasSeq && seq > 0 && jti == fmt.Sprintf("%s/%d", claims["evt"], seq)
	}
	return claims["adm"] == "passthrough" && claims["num"] == nil && claims["seq"] == nil && randomJti.MatchString(jti)
}

func areTexts(members map[string]any, names ...string) bool {
	for _, name := range names {
		if _, ok := members[name].(string); !ok {
			return false
		}
	}
	return true
}

func natural(value any) (uint64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	parsed, err := strconv.ParseUint(number.String(), 10, 53)
	return parsed, err == nil
}

// A segment's JSON object. Go's own reader would take the last of two equal members, and any of those that differ in case.
func object(segment string) (map[string]any, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(raw) || !json.Valid(raw) || strings.ContainsAny(segment, "\r\n") {
		return nil, errors.New("no JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	value, err := value(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("no object")
	}
	return members, nil
}

func value(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		members := map[string]any{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			if _, twice := members[name.(string)]; twice {
				return nil, errors.New("a member is there twice")
			}
			if members[name.(string)], err = value(decoder); err != nil {
				return nil, err
			}
		}
		_, err = decoder.Token()
		return members, err
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			entry, err := value(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, entry)
		}
		_, err = decoder.Token()
		return list, err
	}
	return token, nil
}
