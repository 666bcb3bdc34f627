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
	s.poller.Set(slices.DeleteFunc(sources, func(src tocsin.Source) bool { return !mine(src.ID) }))
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
