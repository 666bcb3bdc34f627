package main

import (
	"slices"

	"tocsin"
)

// takeAdded takes the sources that people added at run time.
func (s *service) takeAdded(added []tocsin.Source) {
	s.mu.Lock()
	s.added = added
	s.mu.Unlock()
	s.setSources()
}

// setSources makes the poller poll what this process is to poll now.
func (s *service) setSources() {
	s.setting.Lock()
	defer s.setting.Unlock()
	s.mu.Lock()
	sources, mine := allSources(s.cfg.Sources, s.added), s.mine
	s.mu.Unlock()
	s.watching(slices.Clone(sources))
	if s.canary != nil {
		sources = append(sources, s.canary.source())
	}
	s.recall()
	defer s.known.Store(nil)
	s.poller.Set(slices.DeleteFunc(sources, func(src tocsin.Source) bool { return !mine(src.ID) }))
}

// visit has the page of a new item fetched, if its source is ours to poll.
func (s *service) visit(it tocsin.Item, seq uint64, done func(again bool)) {
	s.mu.Lock()
	mine := s.taken(it.Source)
	var watched bool
	if !mine { // looking for it in all sources costs as much as all else
		watched = slices.ContainsFunc(allSources(s.cfg.Sources, s.added), func(src tocsin.Source) bool { return src.ID == it.Source })
	}
	s.mu.Unlock()
	if mine {
		s.poller.Visit(it, seq, done)
		return
	}
	done(watched)
}

// allSources are those of a configuration and those that people added; of two of
// a name the configuration's.
func allSources(file, added []tocsin.Source) []tocsin.Source {
	has := make(map[string]bool, len(file))
	for _, s := range file {
		has[s.ID] = true
	}
	return append(slices.Clone(file), slices.DeleteFunc(slices.Clone(added), func(s tocsin.Source) bool { return has[s.ID] })...)
}
