package words

import (
	"strings"
	"testing"
)

// inflected holds, by language, words in their forms: those of a line have one
// stem, and lines have different ones.
var inflected = map[string]string{
	"en": `missile missiles
		transfer transfers transferred transferring
		export exports exported exporting
		supply supplies supplied supplying
		shipment shipments
		violation violations
		launcher launchers`,
	"fr": `missile missiles
		transfert transferts
		transférer transféré transférée transférés transférées
		livraison livraisons
		livrer livré livrée livrées livrera
		exportation exportations
		fusée fusées
		balistique balistiques
		lanceur lanceurs
		coréen coréens coréenne coréennes`,
	"de": `rakete raketen
		lieferung lieferungen
		liefert lieferte lieferten
		weitergabe weitergaben
		ballistisch ballistische ballistischen ballistischer ballistisches ballistischem
		flugkörper flugkörpern flugkörpers
		ausfuhr ausfuhren
		verstoß verstoßes
		übergabe übergaben`,
	"es": `misil misiles
		transferencia transferencias
		exportación exportaciones
		transferir transferido transferida transferidos
		balístico balística balísticos balísticas
		entrega entregas
		envío envíos
		violación violaciones
		cohete cohetes
		lanzador lanzadores`,
	"it": `missile missili
		trasferimento trasferimenti trasferire trasferito trasferita trasferiti
		esportazione esportazioni
		balistico balistica balistici balistiche
		fornitura forniture
		lanciatore lanciatori
`,
	"pl": `rakieta rakiety rakiet rakietami rakietę rakietom rakietach rakietą rakiecie
		pocisk pociski pocisków pociskami pociskiem pociskom pociskach pocisku
		balistyczny balistyczne balistycznych balistycznymi balistycznego balistyczna balistyczną
		dostawa dostawy dostaw dostawami dostawę dostawie dostawach
		przekazanie przekazania przekazaniu przekazaniem przekazać przekazał przekazała przekazali
		wyrzutnia wyrzutnie wyrzutni wyrzutniami`,
	"pt": `míssil mísseis
		transferência transferências
		exportação exportações
		balístico balística balísticos balísticas
		entrega entregas
		violação violações
		foguete foguetes`,
	"tr": `füze füzeler füzeleri füzelerin füzelerini füzenin füzeyi füzelerinden füzelere füzelerle füzesi füzesini füzesinin füzelerinin
		roket roketler roketi roketin roketleri
		transfer transferi transferini transferinin transferler transferleri
		sevkiyat sevkiyatı sevkiyatlar sevkiyatının sevkiyatları
		silah silahlar silahları silahların silahlarını silahı
		ihracat ihracatı ihracatın ihracatını ihracatının
		saldırı saldırılar saldırısı saldırısını saldırının saldırıları
		yaptırım yaptırımlar yaptırımları yaptırımların yaptırımı
		gemi gemiler gemisi gemisini gemiyi gemiye gemide gemiden geminin gemilerden
		liman limanı limanın limanda limandan limanlar limanları
		deneme denemesi denemeler denemelerin denemesini
		teslimat teslimatı teslimatlar`,
	"ru": `ракета ракеты ракете ракету ракетой ракетами ракет ракетам ракетах
		передача передачи передаче передачу передачей передачам
		поставка поставки поставку поставкой поставке
		баллистический баллистических баллистические баллистическую баллистической баллистическими
		экспорт экспорта экспорту экспортом
		нарушение нарушения нарушению нарушением нарушений
		передать передал передала передали`,
	"uk": `ракета ракети ракеті ракету ракетою ракет ракетами ракетам ракетах
		передача передачі передачу передачею передач
		балістичний балістична балістичне балістичних балістичними балістичної балістичного балістичну балістичні
		постачання постачанню постачанням
		поставка поставки поставку поставкою поставці
		експорт експорту експортом експорті
		порушення порушенню порушенням порушень
		зброя зброї зброю зброєю
		передав передала передали передати передано переданих`,
	"nl": `raket raketten
		levering leveringen
		ballistisch ballistische
		uitvoer
`,
	"sv": `robot robotar robotarna
		leveranser leveransen leveranserna
		ballistisk ballistiska`,
	"da": `missil missiler missilet missilerne
		leverance leverancer`,
	"nb": `missil missiler missilene
		leveranse leveranser`,
	"fi": `ohjukset ohjuksen ohjuksia
		toimitukset toimituksen`,
	"ro": `rachetă rachete rachetelor
		livrare livrarea`,
	"hu": `rakéta rakéták rakétát rakétákat rakétával
		szállítás szállítások szállítást`,
}

func TestAWordsFormsHaveOneStem(t *testing.T) {
	for lang, table := range inflected {
		seen := map[string]string{}
		for line := range strings.Lines(table) {
			stems := map[string][]string{}
			for w := range strings.FieldsSeq(line) {
				s, ok := Stem(lang, Fold(w))
				if !ok {
					t.Fatalf("%s has no stem in %s", w, lang)
				}
				stems[s] = append(stems[s], w)
			}
			if len(stems) > 1 {
				t.Errorf("%s: %d stems: %v", lang, len(stems), stems)
			}
			for s := range stems {
				if first := strings.Fields(line)[0]; seen[s] != "" {
					t.Errorf("%s: %s and %s have the stem %s", lang, seen[s], first, s)
				} else {
					seen[s] = first
				}
			}
		}
	}
}
