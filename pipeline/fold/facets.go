package fold

import "tocsin"

// FacetsOf is what a text names, as far as it can be told for certain.
func FacetsOf(title, text, lang string) tocsin.Facets { return tocsin.Facets{} }
