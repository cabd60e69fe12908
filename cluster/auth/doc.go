// Package auth decides who a request to an embedded master or agent is from, and what that one may do, as Mesos'
// HTTP authenticators and its local authorizer do:
//
//   - Credentials are principals with their secrets, read from what --credentials of Mesos takes.
//   - An Authenticator guards one realm, such as mesos-master-readonly, by HTTP basic credentials, by the tokens that a
//     Signer gives to executors, or by either.
//   - An Authorizer judges by ACLs, read from what --acls of Mesos takes.
//
// Values of this package print without the secrets in them, and errors and challenges never quote one. All of them are
// safe for concurrent use once made.
package auth
