package fold

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestScoreOfAFewTexts(t *testing.T) {
	got := Score([]Judged{{"en", "a", "1"}, {"en", "a", "1"}, {"fr", "a", "2"}, {"fr", "b", "2"}, {"", "", ""}})
	// precision: 1, 1, 1/2, 1/2, 1; recall over a: 2/3, 2/3, 1/3; within English: 1, 1
	want := Measure{Texts: 5, Precision: 0.8, Copied: 3, Recall: 0.555556, CopiedInLang: 2, RecallInLang: 1}
	got.Precision, got.Recall = math.Round(got.Precision*1e6)/1e6, math.Round(got.Recall*1e6)/1e6
	if got != want {
		t.Errorf("Score = %+v, want %+v", got, want)
	}
}

func TestScoreOfManyTextsIsQuick(t *testing.T) {
	texts := make([]Judged, 200_000)
	for i := range texts {
		texts[i] = Judged{"en", fmt.Sprint(i / 3), fmt.Sprint(i / 4)}
	}
	begin := time.Now()
	if Score(texts); time.Since(begin) > 10*time.Second {
		t.Errorf("it takes %v", time.Since(begin))
	}
}
