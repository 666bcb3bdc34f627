package notifiertest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// slackTypes is a JSON schema of what tocsin may send, made from the types that
// Slack publishes and the limits that their comments state (@slack/types, MIT).
// "make interop" makes it anew and fails where it differs.
//
//go:embed slacktypes.json
var slackTypes []byte

// What CheckTypes knows, and the definition that each is held to.
var slackKinds = map[string]string{"message": "Message", "modal": "ModalView", "home": "HomeView", "metadata": "MessageMetadata"}

// CheckTypes holds the blocks of a "message", a "modal", a "home" or the "metadata" of
// a message to the types that Slack publishes. Its error says where the first fault is.
func CheckTypes(kind string, raw json.RawMessage) error {
	name, ok := slackKinds[kind]
	if !ok {
		return fmt.Errorf("%q is no kind of message", kind)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	s := slackSchema()
	if f := s.fault(s.Definitions[name], value, ""); f != nil {
		return fmt.Errorf("%s: %s", f.at, f.what)
	}
	return nil
}

// A schema is as much of JSON Schema as Slack's types need.
type schema struct {
	Definitions map[string]*shape `json:"definitions"`
}

type shape struct {
	Ref        string            `json:"$ref"`
	Type       json.RawMessage   `json:"type"` // a name, or several
	Const      any               `json:"const"`
	Enum       []any             `json:"enum"`
	Properties map[string]*shape `json:"properties"`
	Required   []string          `json:"required"`
	Additional json.RawMessage   `json:"additionalProperties"` // false, or the shape of the others
	Items      *shape            `json:"items"`
	AnyOf      []*shape          `json:"anyOf"`
	AllOf      []*shape          `json:"allOf"`
	MaxLength  *int              `json:"maxLength"`
	MinLength  int               `json:"minLength"`
	MaxItems   *int              `json:"maxItems"`

	others *shape // what Additional says, if it is not false
}

var slackSchema = sync.OnceValue(func() *schema {
	var s schema
	d := json.NewDecoder(bytes.NewReader(slackTypes))
	d.DisallowUnknownFields() // a keyword that is not looked at would let everything through
	if err := d.Decode(&s); err != nil {
		panic("slacktypes.json: " + err.Error())
	}
	for _, sh := range s.Definitions {
		sh.prepare()
	}
	return &s
})

func (s *shape) prepare() {
	if s == nil {
		return
	}
	if bytes.HasPrefix(s.Additional, []byte("{")) {
		if err := json.Unmarshal(s.Additional, &s.others); err != nil {
			panic("slacktypes.json: " + err.Error())
		}
	}
	for _, p := range s.Properties {
		p.prepare()
	}
	for _, sub := range slices.Concat(s.AnyOf, s.AllOf, []*shape{s.Items, s.others}) {
		sub.prepare()
	}
}

// A fault is where a value does not fit.
type fault struct{ at, what string }

// fault is the first place where v does not fit sh, nil if it does.
func (s *schema) fault(sh *shape, v any, at string) *fault {
	if sh.Ref != "" {
		if f := s.fault(s.Definitions[strings.TrimPrefix(sh.Ref, "#/definitions/")], v, at); f != nil {
			return f
		}
	}
	if sh.Type != nil && !bytes.Contains(sh.Type, []byte(`"`+typeOf(v)+`"`)) {
		return &fault{at, fmt.Sprintf("is of type %s, not %s", typeOf(v), sh.Type)}
	}
	if sh.Const != nil && v != sh.Const {
		return &fault{at, fmt.Sprintf("is %v, not %v", v, sh.Const)}
	}
	if sh.Enum != nil && !slices.Contains(sh.Enum, v) {
		return &fault{at, fmt.Sprintf("is %v, none of %v", v, sh.Enum)}
	}
	for _, all := range sh.AllOf {
		if f := s.fault(all, v, at); f != nil {
			return f
		}
	}
	if f := s.anyFault(sh.AnyOf, v, at); f != nil {
		return f
	}
	switch v := v.(type) {
	case string:
		return sh.lengthFault(v, at)
	case []any:
		return s.itemsFault(sh, v, at)
	case map[string]any:
		return s.propertiesFault(sh, v, at)
	}
	return nil
}

// anyFault is the fault in the shape that v comes nearest to.
func (s *schema) anyFault(shapes []*shape, v any, at string) (deepest *fault) {
	object, _ := v.(map[string]any)
	for i, sh := range shapes {
		if last := deepest == nil && i == len(shapes)-1; !last && s.otherType(sh, object) {
			continue
		}
		f := s.fault(sh, v, at)
		if f == nil {
			return nil
		}
		if deepest == nil || len(f.at) > len(deepest.at) || deepest.at == at+"/type" {
			deepest = f
		}
	}
	return deepest
}

// otherType reports, without more ado, that an object says it is of another type than
// a shape.
func (s *schema) otherType(sh *shape, object map[string]any) bool {
	if sh.Ref != "" {
		sh = s.Definitions[strings.TrimPrefix(sh.Ref, "#/definitions/")]
	}
	p, t := sh.Properties["type"], object["type"]
	return p != nil && p.Const != nil && t != nil && p.Const != t
}

func (sh *shape) lengthFault(v, at string) *fault {
	n := units(v)
	if n < sh.MinLength || sh.MaxLength != nil && n > *sh.MaxLength {
		return &fault{at, fmt.Sprintf("has %d characters", n)}
	}
	return nil
}

func (s *schema) itemsFault(sh *shape, v []any, at string) *fault {
	if sh.MaxItems != nil && len(v) > *sh.MaxItems {
		return &fault{at, fmt.Sprintf("has %d items, at most %d", len(v), *sh.MaxItems)}
	}
	if sh.Items == nil {
		return nil
	}
	for i, x := range v {
		if f := s.fault(sh.Items, x, fmt.Sprint(at, "/", i)); f != nil {
			return f
		}
	}
	return nil
}

func (s *schema) propertiesFault(sh *shape, v map[string]any, at string) *fault {
	// The type first: it says what the value was meant to be.
	if p, t := sh.Properties["type"], v["type"]; p != nil && t != nil {
		if f := s.fault(p, t, at+"/type"); f != nil {
			return f
		}
	}
	for _, name := range sh.Required {
		if _, ok := v[name]; !ok {
			return &fault{at + "/" + name, "is missing"}
		}
	}
	for name, x := range v {
		p := sh.Properties[name]
		if p == nil {
			p = sh.others
		}
		switch {
		case p != nil:
			if f := s.fault(p, x, at+"/"+name); f != nil {
				return f
			}
		case string(sh.Additional) == "false":
			return &fault{at + "/" + name, "is not known"}
		}
	}
	return nil
}

// typeOf is what JSON Schema calls the type of a decoded value.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}
