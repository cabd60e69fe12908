// Package mesos is the root of the wire vocabulary: what schedulers, executors, masters and agents say
// to each other, without any idea of how or when. It has no code of its own.
//
//	mesospb                 what the protocols share: offers, resources, tasks, statuses
//	schedulerpb executorpb  calls and events of schedulers and executors
//	masterpb agentpb        the operator APIs
//	maintenancepb quotapb allocatorpb resourceproviderpb
//	recordio                frames of a stream
//	codec                   protobuf and JSON bodies, as Mesos reads and writes them
//	resources               arithmetic on resources
//
// Message types are generated from the .proto files beside them (make generate); testdata/wire has the
// tables they are held to.
package mesos
