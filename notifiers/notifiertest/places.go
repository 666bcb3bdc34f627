package notifiertest

import "fmt"

// Places are where the values of a decoded JSON document stand, and their types:
// "messages[].ts" is a "string". What stands within a block of a message or a view is
// ours and left out.
func Places(v any) map[string]string {
	out := map[string]string{}
	places(v, "", out)
	return out
}

func places(v any, at string, out map[string]string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			places(x, at+"[]", out)
		}
	case map[string]any:
		for name, x := range v {
			place := name
			if at != "" {
				place = fmt.Sprint(at, ".", name)
			}
			if name == "blocks" || name == "state" {
				out[place] = typeOf(x)
				continue
			}
			places(x, place, out)
		}
	case nil:
	default:
		out[at] = typeOf(v)
	}
}
