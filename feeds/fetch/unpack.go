package fetch

// Unpack decompresses a body that came from somewhere else than Get: a file, say.
// coding is what Content-Encoding said, "" if nothing did. Where the body breaks
// off, what there was stays and Cut is set; an error means that there is nothing.
func Unpack(r *Response, coding string) error {
	if len(r.Body) == 0 {
		return nil
	}
	body, fault := new(expander).all(r.Body, []string{coding}, 8<<20)
	r.Body = body
	if fault == nil {
		return nil
	}
	if len(body) == 0 {
		return fault
	}
	r.Cut, r.Fault = true, fault
	return nil
}
