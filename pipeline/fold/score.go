package fold

// A Judged is a text whose statement is known, and the statement that it was
// folded into.
type Judged struct {
	Lang, Cluster, Statement string
}

// A Measure is how well texts were folded, by B-cubed: the averages over texts.
type Measure struct {
	Texts        int
	Precision    float64 // over all texts: of the texts in a text's statement, how many are of its cluster
	Copied       int     // texts that have a copy
	Recall       float64 // over them: of the texts of its cluster, how many are in its statement
	CopiedInLang int     // texts that have a copy in their own language
	RecallInLang float64 // over them: the same among texts of its language
}

// Score compares what was folded with what should have been.
func Score(texts []Judged) Measure {
	m := Measure{Texts: len(texts)}
	n := map[Judged]int{} // texts that are alike in what is not left out
	for _, a := range texts {
		for _, part := range a.parts() {
			n[part]++
		}
	}
	for _, a := range texts {
		of := a.parts()
		statement, cluster, both, clusterLang, bothLang := n[of[0]], n[of[1]], n[of[2]], n[of[3]], n[of[4]]
		m.Precision += float64(both) / float64(statement)
		if cluster > 1 {
			m.Copied++
			m.Recall += float64(both) / float64(cluster)
		}
		if clusterLang > 1 {
			m.CopiedInLang++
			m.RecallInLang += float64(bothLang) / float64(clusterLang)
		}
	}
	m.Precision /= max(1, float64(m.Texts))
	m.Recall /= max(1, float64(m.Copied))
	m.RecallInLang /= max(1, float64(m.CopiedInLang))
	return m
}

// parts are what a text is counted by. Each leaves out something, which no text
// says as \x00.
func (j Judged) parts() [5]Judged {
	const all = "\x00"
	return [5]Judged{{all, all, j.Statement}, {all, j.Cluster, all}, {all, j.Cluster, j.Statement}, {j.Lang, j.Cluster, all}, j}
}
